package integration

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/format"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/runtime"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
	"dispatcher.ivan.vc/test/controlplane"
	"dispatcher.ivan.vc/test/user"
)

var (
	// plane is started once. Each spec works in a namespace of its own.
	plane *controlplane.ControlPlane

	admin user.Admin

	// kubectl is the one of the control plane's version. It is an administrator's.
	kubectl user.Kubectl

	// identity has the rights that config/rbac gives the manager, and no others: a verb that is missing there fails a
	// spec.
	identity *rest.Config

	// managerNamespace is where config/default deploys the manager.
	managerNamespace string

	// manager runs in every spec. A spec that ends it starts it again.
	manager *controlplane.Manager

	// programs is the folder of what the suite compiles.
	programs string

	// managerBinary is what manager runs.
	managerBinary string

	scheme = runtime.NewScheme()
)

func TestIntegration(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "Integration")
}

// The suite can run in several processes, as `make test` does it: each has a control plane and a manager of its own,
// and the first compiles the programs for all of them.
var _ = SynchronizedBeforeSuite(func(ctx SpecContext) []byte {
	directory, err := os.MkdirTemp("", "dispatcher-programs-")
	Expect(err).NotTo(HaveOccurred())
	programs = directory
	Expect(controlplane.BuildManager(ctx, root(), filepath.Join(directory, "manager"))).To(Succeed())
	Expect(buildContract(ctx, root(), filepath.Join(directory, "contract"))).To(Succeed())
	return []byte(directory)
}, func(ctx SpecContext, directory []byte) {
	programs = string(directory)
	managerBinary = filepath.Join(programs, "manager")
	SetDefaultEventuallyTimeout(time.Minute)
	SetDefaultEventuallyPollingInterval(50 * time.Millisecond)
	EnforceDefaultTimeoutsWhenUsingContexts()
	format.MaxLength = 16 << 10
	log.SetLogger(GinkgoLogr)
	utilruntime.Must(clientgoscheme.AddToScheme(scheme))
	utilruntime.Must(apiextensionsv1.AddToScheme(scheme))
	utilruntime.Must(dispatcherv1alpha1.AddToScheme(scheme))

	var err error
	var stopContract func() error
	described, stopContract, err = startContract(root(), filepath.Join(programs, "contract"))
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func() { Expect(stopContract()).To(Succeed()) })
	caller = &http.Client{Transport: &contractTransport{contract: described, base: http.DefaultTransport}}
	plane, err = controlplane.Start(root(), scheme,
		controlplane.WithWebhookClientCertificate(), controlplane.WithRareCollections())
	if plane != nil {
		DeferCleanup(func() { Expect(plane.Stop()).To(Succeed()) })
	}
	Expect(err).NotTo(HaveOccurred())
	kubectl.Program, kubectl.Kubeconfig = filepath.Join(os.Getenv("KUBEBUILDER_ASSETS"), "kubectl"), plane.Kubeconfig
	admin.WithWatch, err = client.NewWithWatch(plane.Config, client.Options{Scheme: scheme})
	Expect(err).NotTo(HaveOccurred())

	installed, err := plane.InstallRights(ctx)
	Expect(err).NotTo(HaveOccurred())
	identity, managerNamespace = installed.Config, installed.Namespace
	installOperator(ctx)
	manager, err = plane.NewManager("manager", managerBinary, identity)
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(manager.Close)
	Expect(manager.Start(ctx)).To(Succeed())
	installSentinels(ctx)
})

// root is the root of the repository.
func root() string {
	GinkgoHelper()
	root, err := filepath.Abs(filepath.Join("..", ".."))
	Expect(err).NotTo(HaveOccurred())
	return root
}

var _ = SynchronizedAfterSuite(func() { reportSeenAnswers() }, func() {
	if programs != "" {
		Expect(os.RemoveAll(programs)).To(Succeed())
	}
})

// What the manager printed during a spec is shown when that spec fails.
var outputBefore int

var _ = BeforeEach(func() { outputBefore = manager.Output.Len() })

var _ = AfterEach(func() {
	if CurrentSpecReport().Failed() {
		GinkgoWriter.Println("output of the manager:")
		GinkgoWriter.Println(manager.Output.String()[outputBefore:])
	}
})

// restartAfterwards sees to it that the suite's manager runs when the spec ends, as the other specs expect it:
// whatever became of it, and without the flags that the spec may have given it.
func restartAfterwards() {
	DeferCleanup(func(ctx context.Context) {
		if manager.RunsWith() && manager.Ready(ctx) {
			plane.Webhooks.Add(manager.WebhookAddress()) // It may have been started without that.
			return
		}
		manager.Kill()
		Expect(manager.Start(ctx)).To(Succeed())
	})
}
