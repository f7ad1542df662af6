// Package render turns a JobTemplate and an execution into a Job, or into field errors that say what is wrong and
// where.
//
// It is pure: it has no client and reads no environment, so that the admission webhooks and the controller, which call
// the same functions, come to the same verdict. It must never talk to the API server, and a template it runs can
// neither reach outside nor take more steps, memory or time than its budget.
package render
