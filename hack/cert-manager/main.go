// Command cert-manager runs cert-manager's own controllers, from its Go module, for machines that can download no image.
// (Upstream's commands are modules of their own that no module proxy serves.)
//
//	cert-manager controller | cainjector      in a pod, or with -kubeconfig FILE before the word
//
// It has the SelfSigned and CA issuers and nothing of ACME, Vault, Venafi or the ingress shim. cert-manager's validating
// webhook is not there either: what it would refuse is accepted here and fails later.
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
