// Package gotemplate runs text/template with the functions of sprig on templates and data that nobody trusts.
//
// A template can neither reach outside nor take more steps, memory or time than its budget, and its errors say in
// plain words where it is wrong. The package knows nothing of Dispatcher and nothing of Kubernetes: it takes strings
// and data, and gives strings. It must stay that way.
package gotemplate
