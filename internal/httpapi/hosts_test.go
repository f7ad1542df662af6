package httpapi

import "testing"

func TestAllowedHosts(t *testing.T) {
	inCluster := newHosts([]string{"jobs.example.com", "*.Apps.example.com"}, "team-a", "corp.internal")
	outside := newHosts(nil, "", "")
	open := newHosts([]string{"a", "*"}, "", "")
	for _, test := range []struct {
		reason string
		hosts  *hosts
		host   string
		want   bool
	}{
		{"a port-forward", outside, "localhost:8000", true},
		{"names below localhost", outside, "dispatcher.localhost", true},
		{"case does not matter", outside, "LocalHost", true},
		{"nor does a dot at the end", outside, "localhost.:80", true},
		{"an address", outside, "127.0.0.1:8000", true},
		{"the pod's, or that of the Service, or of a node", outside, "10.96.3.4", true},
		{"an address of version 6", outside, "[fd00::1]:80", true},
		{"without a port", outside, "[::1]", true},
		{"HTTP/1.0 without a Host", outside, "", true},
		{"a stranger", outside, "evil.example", false},
		{"a stranger at our port", outside, "evil.example:8000", false},
		{"localhost of a stranger", outside, "localhost.evil.example", false},
		{"an address in the name of a stranger", outside, "127.0.0.1.evil.example", false},
		{"digits that are no address", outside, "127.0.0.1.2", false},
		{"no namespace, no Service", outside, "dispatcher-manager", false},
		{"a dot alone below a suffix", outside, "xlocalhost", false},

		{"the Service from its own namespace", inCluster, "dispatcher-manager", true},
		{"the Service from another", inCluster, "dispatcher-manager.team-a", true},
		{"by its DNS name", inCluster, "dispatcher-manager.team-a.svc:80", true},
		{"by its whole one", inCluster, "dispatcher-manager.team-a.svc.corp.internal", true},
		{"another Service of the namespace", inCluster, "jobs.team-a.svc", true},
		{"a Service of another namespace", inCluster, "dispatcher-manager.other.svc", false},
		{"a Service of a stranger", inCluster, "dispatcher-manager.team-a.svc.evil.example", false},
		{"an ingress that is allowed", inCluster, "Jobs.example.com", true},
		{"a name below it is not", inCluster, "x.jobs.example.com", false},
		{"a wildcard", inCluster, "a.apps.example.com", true},
		{"but not its parent", inCluster, "apps.example.com", false},
		{"nor what ends like it", inCluster, "evilapps.example.com", false},

		{"a namespace that is a domain of the Internet", newHosts(nil, "dev", "cluster.local"), "dispatcher-manager.dev",
			false},
		{"whose Services have their DNS names", newHosts(nil, "dev", "cluster.local"), "dispatcher-manager.dev.svc", true},

		{"everything", open, "evil.example", true},
	} {
		if got := test.hosts.allows(test.host); got != test.want {
			t.Errorf("%s: %q allowed: %t, want %t", test.reason, test.host, got, test.want)
		}
	}
}

func TestClusterDomain(t *testing.T) {
	for resolvConf, want := range map[string]string{
		"nameserver 10.96.0.10\nsearch team-a.svc.corp.internal svc.corp.internal corp.internal\n": "corp.internal",
		"search team-a.svc.cluster.local. svc.cluster.local.\n":                                    "cluster.local",
		"search example.com\n": "cluster.local",
		"":                     "cluster.local",
	} {
		if got := clusterDomain(resolvConf, "team-a"); got != want {
			t.Errorf("%q: got %q, want %q", resolvConf, got, want)
		}
	}
}
