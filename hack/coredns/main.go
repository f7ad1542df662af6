// Command coredns is CoreDNS with only the plugins that the local cluster's Corefile uses. It is a separate module, so
// that its dependencies are not Dispatcher's.
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
	// The order in which the plugins handle a query. The order in the Corefile does not matter.
	dnsserver.Directives = []string{"bind", "errors", "template", "cache", "kubernetes"}
	coremain.Run()
}
