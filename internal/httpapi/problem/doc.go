// Package problem has every refusal of the HTTP API: the reasons, their status codes, and the problem details (RFC
// 9457) that a caller gets. It must not decide whether to refuse, and knows neither Kubernetes nor this API's paths.
package problem
