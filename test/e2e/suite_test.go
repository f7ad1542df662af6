package e2e

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/format"
	"k8s.io/apimachinery/pkg/runtime"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
	"dispatcher.ivan.vc/test/user"
)

var (
	// cluster is the folder of the local cluster (CLUSTER_DIR): its kubeconfig, its logs, and the installer to test.
	cluster = os.Getenv("E2E_CLUSTER")

	// root is the root of the repository.
	root = filepath.Join("..", "..")

	// config is that of an administrator, without client-side rate limits.
	config *rest.Config

	admin user.Admin

	// kubectl is the one that comes first in PATH, which is that of the cluster's version. It is an administrator's.
	kubectl = user.Kubectl{Program: "kubectl", Kubeconfig: filepath.Join(cluster, "kubeconfig")}

	scheme = runtime.NewScheme()
)

func TestEndToEnd(t *testing.T) {
	if cluster == "" {
		t.Skip("E2E_CLUSTER is not set: `make test-e2e` starts a cluster with pods that run, and sets it")
	}
	RegisterFailHandler(Fail)
	RunSpecs(t, "EndToEnd")
}

var _ = BeforeSuite(func(ctx SpecContext) {
	SetDefaultEventuallyTimeout(2 * time.Minute)
	SetDefaultEventuallyPollingInterval(200 * time.Millisecond)
	EnforceDefaultTimeoutsWhenUsingContexts()
	format.MaxLength = 16 << 10
	log.SetLogger(GinkgoLogr)
	utilruntime.Must(clientgoscheme.AddToScheme(scheme))
	utilruntime.Must(dispatcherv1alpha1.AddToScheme(scheme))

	var err error
	config, err = clientcmd.BuildConfigFromFlags("", kubectl.Kubeconfig)
	Expect(err).NotTo(HaveOccurred())
	config.QPS = -1
	admin.WithWatch, err = client.NewWithWatch(config, client.Options{Scheme: scheme})
	Expect(err).NotTo(HaveOccurred())

	install(ctx)
})

// What Dispatcher printed is shown when a spec fails.
var _ = AfterEach(func(ctx SpecContext) {
	if CurrentSpecReport().Failed() {
		kubectl.Run(ctx, "-n", systemNamespace, "get", "pods", "-o", "wide")
		kubectl.Run(ctx, "-n", systemNamespace, "logs", "--all-containers", "--prefix", "--tail=60", "--selector",
			"app.kubernetes.io/name=dispatcher")
	}
})
