module dispatcher.ivan.vc/hack/image

go 1.26.0
