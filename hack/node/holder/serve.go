package main

import (
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"time"
)

const dialTimeout = 5 * time.Second

// serve carries each inherited socket to its target and returns when the first of them fails.
func serve(targets []string) error {
	failed := make(chan error)
	for i, target := range targets {
		l, err := net.FileListener(os.NewFile(uintptr(firstSocket+i), target))
		if err != nil {
			return fmt.Errorf("socket for %s: %w", target, err)
		}
		go func() { failed <- accept(l, target) }()
	}
	if len(targets) == 0 {
		return errors.New("no forwarded ports")
	}
	return <-failed
}

func accept(l net.Listener, target string) error {
	for {
		c, err := l.Accept()
		if err != nil {
			return err
		}
		go carry(c.(*net.TCPConn), target)
	}
}

// carry joins a connection with a new one to the target. A target that is a Service's name is looked up each time, so
// the Service may come later and go again. A target that does not answer shows as a closed connection.
func carry(outer *net.TCPConn, target string) {
	defer outer.Close()
	c, err := net.DialTimeout("tcp", target, dialTimeout)
	if err != nil {
		log.Print(err)
		return
	}
	inner := c.(*net.TCPConn)
	defer inner.Close()
	done := make(chan struct{})
	go func() { copyHalf(inner, outer); close(done) }()
	copyHalf(outer, inner)
	<-done
}

// copyHalf copies one direction until its end and passes the end on. Errors end the copy; there is nobody to tell.
func copyHalf(to, from *net.TCPConn) {
	_, _ = io.Copy(to, from)
	_ = to.CloseWrite()
}
