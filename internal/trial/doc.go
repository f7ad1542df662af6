// Package trial asks the API server what it thinks of a rendered Job, and tells the answer in the fields of the
// JobTemplate that the Job was rendered from.
//
// Admission tries the Jobs of a template before the template is stored; the HTTP API tries the Job of a preview. Both
// get one answer from here, so that they say the same. This package must never store anything: the one request that
// it sends is a dry run.
package trial
