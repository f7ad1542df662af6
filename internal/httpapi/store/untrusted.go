package store

import (
	"strings"
	"sync"
	"time"

	"github.com/go-logr/logr"
)

// isUntrusted tells whether the API server does not trust the certificate of a webhook, which no retry cures.
func isUntrusted(err error) bool {
	return strings.Contains(err.Error(), textWebhookUnreachable) && strings.Contains(err.Error(), textCertificate)
}

// untrustedInterval is the time between two errors in the log about certificates that are not trusted.
const untrustedInterval = time.Minute

// untrusted logs certificates of webhooks that the API server does not trust. Only an administrator can mend that.
type untrusted struct {
	log logr.Logger
	now func() time.Time

	mutex sync.Mutex
	last  time.Time
}

// report logs err if it is about such a certificate, at intervals.
func (u *untrusted) report(err error) {
	if err == nil || !isUntrusted(err) {
		return
	}
	u.mutex.Lock()
	defer u.mutex.Unlock()
	if now := u.now(); u.last.IsZero() || now.Sub(u.last) >= untrustedInterval {
		u.last = now
		u.log.Error(err, "the API server does not trust the certificate of an admission webhook: "+
			"check the caBundle in its webhook configuration")
	}
}
