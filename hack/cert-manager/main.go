// Command cert-manager runs the controllers of cert-manager's Go module, for machines that cannot download its images.
// (The upstream commands are separate modules that are not available on module proxies.)
//
//	cert-manager [-kubeconfig FILE] controller | cainjector
//
// It has the SelfSigned and CA issuers, but not ACME, Vault, Venafi or the ingress shim. It does not have the
// validating webhook, so invalid resources are accepted and fail later.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"

	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"
	_ "sigs.k8s.io/controller-runtime/pkg/client/config" // registers -kubeconfig
)

func main() {
	klog.InitFlags(nil)
	flag.Parse()
	ctrl.SetLogger(klog.NewKlogr())

	commands := map[string]func(context.Context) error{"controller": controllers, "cainjector": injector}
	run, ok := commands[flag.Arg(0)]
	if !ok {
		fmt.Fprintln(os.Stderr, "usage: cert-manager [-kubeconfig FILE] controller|cainjector")
		os.Exit(2)
	}
	if err := run(ctrl.SetupSignalHandler()); err != nil {
		fmt.Fprintf(os.Stderr, "cert-manager %s: %v\n", flag.Arg(0), err)
		os.Exit(1)
	}
}
