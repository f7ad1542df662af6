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

// serve forwards each inherited socket to its target. It returns when the first of them fails.
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
		go proxy(c.(*net.TCPConn), target)
	}
}

// proxy connects a connection with a new connection to the target. It looks up the target's name each time, so a
// Service can be created or deleted at any time. If the target does not answer, it closes the connection.
func proxy(outer *net.TCPConn, target string) {
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

// copyHalf copies one direction until it ends and then closes that direction. Errors end the copy silently.
func copyHalf(to, from *net.TCPConn) {
	_, _ = io.Copy(to, from)
	_ = to.CloseWrite()
}
