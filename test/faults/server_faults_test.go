package faults

import (
	"context"
	"math/rand/v2"
	"time"

	"dispatcher.ivan.vc/test/controlplane"
)

// serverFaults stop what Dispatcher stands on, and what stands on Dispatcher: its webhooks.
func (c *cluster) serverFaults() []fault {
	apiServer, etcd := c.plane.APIServer, c.plane.Etcd
	return []fault{
		{"the API server killed", c.restart(apiServer, apiServer.Kill)},
		{"the API server stopped", c.restart(apiServer, apiServer.Terminate)},
		{"etcd killed", c.restart(etcd, etcd.Kill)},
		{"etcd stopped", c.restart(etcd, etcd.Terminate)},
		{"no webhook reached", c.cutWebhooks},
		{"the certificate of the webhooks replaced", c.replaceCertificate},
	}
}

// restart ends a server, and starts it again after a while.
func (c *cluster) restart(server *controlplane.Server, end func() error) func(context.Context, *rand.Rand) {
	return func(ctx context.Context, random *rand.Rand) {
		down := between(random, 0, 4*time.Second)
		if err := end(); err != nil {
			c.t.Error(err)
		}
		pause(ctx, down)
		if err := server.Start(context.WithoutCancel(ctx)); err != nil {
			c.t.Error(err)
		}
	}
}

// cutWebhooks takes the webhooks off the network.
func (c *cluster) cutWebhooks(ctx context.Context, random *rand.Rand) {
	length := between(random, time.Second, 5*time.Second)
	for end := time.Now().Add(length); time.Now().Before(end) && ctx.Err() == nil; pause(ctx, 100*time.Millisecond) {
		for _, r := range c.replicas {
			c.plane.Webhooks.Remove(r.WebhookAddress())
		}
		c.plane.Webhooks.Cut()
	}
	for _, r := range c.replicas {
		c.plane.Webhooks.Add(r.WebhookAddress())
	}
}

// replaceCertificate does what cert-manager does when a certificate is renewed by another authority.
func (c *cluster) replaceCertificate(ctx context.Context, random *rand.Rand) {
	overlap := between(random, time.Second, 3*time.Second)
	trustNewOnly, err := c.plane.ReplaceCertificate(context.WithoutCancel(ctx))
	if err != nil {
		c.t.Error(err)
		return
	}
	pause(ctx, overlap)
	// Whoever serves the old one still is not trusted any more, until it has read the new one.
	if err := trustNewOnly(); err != nil {
		c.t.Error(err)
	}
	c.plane.Webhooks.Cut()
}
