package watch

import (
	"sync"

	"dispatcher.ivan.vc/internal/httpapi/budget"
)

// account is what a copy takes of the share of one source address, once for all calls from there.
type account struct {
	mutex  sync.Mutex
	users  int
	claims []*budget.Claim

	// charged is how much of the copy that is for.
	charged int64
}

func newAccount(claim *budget.Claim, charged int64) *account {
	return &account{users: 1, claims: []*budget.Claim{claim}, charged: charged}
}

// enter is for another call from the same address, and false if there are none left.
func (a *account) enter() bool {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	if a.users == 0 {
		return false
	}
	a.users++
	return true
}

func (a *account) leave() {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	if a.users--; a.users > 0 {
		return
	}
	for _, claim := range a.claims {
		claim.Release()
	}
}

// settle gives back what was taken for the read, and is more than what was read takes.
func (a *account) settle(size int64) {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	a.claims[0].Shrink(size)
	a.charged = size
}

func (a *account) charge(claim *budget.Claim, size int64) {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	a.claims = append(a.claims, claim)
	a.charged += size
}

func (a *account) missing(size int64) int64 {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	return max(0, size-a.charged)
}
