package store

import (
	"context"
	"crypto/sha256"
	"encoding/base32"
	"encoding/hex"
	"fmt"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
	"dispatcher.ivan.vc/internal/httpapi/problem"
	"dispatcher.ivan.vc/internal/render"
)

// keyedSuffixLength is the length of the suffix of a name that is made from a key: 100 bits, so that two keys with the
// same name cannot be found.
const keyedSuffixLength = 20

// keyField is where problems with a key are.
const keyField = "Idempotency-Key"

// Key is an idempotency key. It belongs to the user who sends it: another user's key is another one.
type Key struct {
	User, UID string
	Value     string
}

// hash is that of the key for a template.
func (k Key) hash(template string) [sha256.Size]byte {
	// Quoted, so that no two keys make the same text.
	return sha256.Sum256(fmt.Appendf(nil, "%q %q %q %q", template, k.User, k.UID, k.Value))
}

// CreateOnce stores the execution that a call with an idempotency key asks for, or finds the one that was stored with
// it: then repeated is true. An execution that is refused leaves its key unused.
//
// A create that is not answered is looked up, and never undone: a repeat with the key may have been answered with that
// execution meanwhile. After an error, the caller repeats the call and gets the stored execution, if there is one.
func (s *Store) CreateOnce(
	ctx context.Context,
	request Request,
	key Key,
) (stored *dispatcherv1alpha1.JobExecution, repeated bool, err error) {
	ctx = context.WithoutCancel(ctx)
	execution := request.execution()
	s.setDefaults(ctx, execution)
	setKey(execution, key)
	// To look first is not what makes it one only. But a create is judged before its name is, so that a repeat would be
	// refused for a template that has changed since, and would count against a quota.
	stored, err = s.get(ctx, execution.Namespace, execution.Name)
	switch {
	case err == nil:
		return stored, true, checkKey(stored, execution)
	case !isAbsent(err, execution.Name):
		return nil, false, translate(err, targetOf(execution))
	}
	stored, createErr := s.create(ctx, execution)
	if createErr == nil {
		return stored, false, nil
	}
	stored, err = s.get(ctx, execution.Namespace, execution.Name)
	switch {
	case err == nil:
		return stored, !sameRequest(stored, execution), checkKey(stored, execution)
	case apierrors.IsAlreadyExists(createErr):
		return nil, false, unavailable().Because(fmt.Errorf("looking for what has the key's name: %w", err))
	}
	return nil, false, translate(createErr, targetOf(execution))
}

// setKey makes an execution the one of its template, user and key: by its name, so that the API server keeps it one
// only, whichever replica stores it and whatever crashes.
func setKey(execution *dispatcherv1alpha1.JobExecution, key Key) {
	hash := key.hash(execution.Spec.JobTemplateName)
	suffix := strings.ToLower(base32.StdEncoding.EncodeToString(hash[:]))[:keyedSuffixLength]
	execution.Name = render.ExecutionName(execution.Spec.JobTemplateName, suffix)
	execution.Annotations[dispatcherv1alpha1.AnnotationIdempotencyKeyHash] = "sha256:" + hex.EncodeToString(hash[:])
}

// checkKey refuses what has the name of an execution's key but is not what this call asks for. stored was read from the
// API server, so it has its payload.
func checkKey(stored, execution *dispatcherv1alpha1.JobExecution) error {
	const keyHash = dispatcherv1alpha1.AnnotationIdempotencyKeyHash
	switch {
	case stored.Spec.JobTemplateName != execution.Spec.JobTemplateName ||
		stored.Annotations[keyHash] != execution.Annotations[keyHash]:
		return problem.New(problem.IdempotencyKeyConflict, "the name of the execution for this Idempotency-Key is taken: "+
			"the JobExecution %q in namespace %q was not created with it; use another key, or delete it",
			stored.Name, stored.Namespace).
			At(keyField, "is taken by something else")
	case stored.Spec.Payload != execution.Spec.Payload:
		return problem.New(problem.IdempotencyKeyReused, "this Idempotency-Key was used with another payload, for the "+
			"JobExecution %q in namespace %q: use a new key for a new payload", stored.Name, stored.Namespace).
			At(keyField, "was used with another payload")
	}
	return nil
}
