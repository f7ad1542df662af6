// Command coredns is CoreDNS with just the plugins that the local cluster's Corefile uses. It is a module of its own:
// its dependencies are none of the operator's business.
package main

import (
	"github.com/coredns/coredns/core/dnsserver"
	"github.com/coredns/coredns/coremain"
	_ "github.com/coredns/coredns/plugin/bind"
	_ "github.com/coredns/coredns/plugin/cache"
	_ "github.com/coredns/coredns/plugin/errors"
	_ "github.com/coredns/coredns/plugin/kubernetes"
	_ "github.com/coredns/coredns/plugin/template"
)

func main() {
	// The order in which plugins see a query, which is not the order in the Corefile.
	dnsserver.Directives = []string{"bind", "errors", "template", "cache", "kubernetes"}
	coremain.Run()
}
