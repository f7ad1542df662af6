package httpapi

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"slices"
	"strings"

	"golang.org/x/net/publicsuffix"

	"dispatcher.ivan.vc/internal/httpapi/problem"
)

// serviceName is that of the Service in front of this server, as config/ deploys it.
const serviceName = "dispatcher-manager"

// anyHost in --allowed-hosts turns the check of the Host header off.
const anyHost = "*"

// hosts are the host names that this server answers to. An attacker can give a name of its own the address of this
// server (DNS rebinding), so that a browser takes the two for one origin; but the browser sends that name as the Host.
type hosts struct {
	names    []string
	suffixes []string // each with its leading dot
	any      bool
}

// newHosts returns those of the flag, the loopback names, and the names of the Services of the pod's own namespace,
// which is empty outside of a cluster.
func newHosts(allowed []string, namespace, clusterDomain string) *hosts {
	h := &hosts{names: []string{"localhost"}, suffixes: []string{".localhost"}}
	if namespace != "" {
		h.names = append(h.names, serviceName)
		// A namespace can have the name of a top-level domain, where anybody can register a name.
		if _, public := publicsuffix.PublicSuffix(namespace); !public {
			h.names = append(h.names, serviceName+"."+namespace)
		}
		h.suffixes = append(h.suffixes, "."+namespace+".svc", "."+namespace+".svc."+clusterDomain)
	}
	for _, host := range allowed {
		switch suffix, wildcard := strings.CutPrefix(host, anyHost); {
		case host == anyHost:
			h.any = true
		case wildcard:
			h.suffixes = append(h.suffixes, strings.ToLower(suffix))
		default:
			h.names = append(h.names, strings.ToLower(host))
		}
	}
	return h
}

// allows tells whether a Host header names this server. An address does: no name led the browser here, and the pod has
// several. So does an empty one, which no browser sends.
func (h *hosts) allows(host string) bool {
	name := host
	if withoutPort, _, err := net.SplitHostPort(host); err == nil {
		name = withoutPort
	}
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	if _, err := netip.ParseAddr(strings.Trim(name, "[]")); err == nil || name == "" || h.any {
		return true
	}
	return slices.Contains(h.names, name) ||
		slices.ContainsFunc(h.suffixes, func(suffix string) bool { return strings.HasSuffix(name, suffix) })
}

// refuseForeign refuses a request that a web page of another origin sent: by a Host that is not ours, or, where the
// request would change something, by what browsers say of its origin.
func refuseForeign(allowed *hosts, next http.Handler) http.Handler {
	origins := http.NewCrossOriginProtection()
	return handler(func(w http.ResponseWriter, r *http.Request) error {
		if !allowed.allows(r.Host) {
			return problem.New(problem.HostNotAllowed,
				"the host %q is not allowed: if it leads here, add it to --allowed-hosts of the manager", r.Host).
				At("Host", "is not one of the allowed hosts").WithHeader("Connection", "close").
				Because(fmt.Errorf("the host is %.256q", r.Host))
		}
		if err := origins.Check(r); err != nil {
			return problem.New(problem.CrossOrigin, "web pages of other origins cannot change anything").
				At("Origin", "is not the origin of this server").WithHeader("Connection", "close").Because(err)
		}
		next.ServeHTTP(w, r)
		return nil
	})
}

// allowedHosts are those of the flag, and of the pod that this process runs in.
func allowedHosts(options Options) *hosts {
	namespace := podNamespace()
	resolvConf, _ := os.ReadFile("/etc/resolv.conf") // Without one, the domain is the usual one.
	return newHosts(options.AllowedHosts, namespace, clusterDomain(string(resolvConf), namespace))
}

// podNamespace is the namespace of the pod that this process runs in, empty outside of a cluster.
func podNamespace() string {
	text, err := os.ReadFile("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(text))
}

// clusterDomain is the DNS domain of the cluster, by the search list of the pod's resolver.
func clusterDomain(resolvConf, namespace string) string {
	for line := range strings.Lines(resolvConf) {
		fields := strings.Fields(line)
		if len(fields) == 0 || fields[0] != "search" {
			continue
		}
		for _, domain := range fields[1:] {
			if rest, found := strings.CutPrefix(strings.ToLower(domain), namespace+".svc."); found {
				return strings.TrimSuffix(rest, ".")
			}
		}
	}
	return "cluster.local"
}
