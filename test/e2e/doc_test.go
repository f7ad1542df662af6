// Package e2e tests what users deploy, on a cluster whose pods run: the image, the manifests in one file,
// cert-manager's certificate, the Services, and two replicas. `make test-e2e` starts the cluster. What needs no pod is
// tested in test/integration, which is quicker.
package e2e
