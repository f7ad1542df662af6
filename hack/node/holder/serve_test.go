package main

import (
	"io"
	"net"
	"testing"
	"time"
)

// A client may close its sending direction and still read the answer, as HTTP clients and `kubectl exec -i` do.
func TestProxyKeepsTheOtherDirectionOpen(t *testing.T) {
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer inner.Close()
	go func() {
		c, err := inner.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		got, _ := io.ReadAll(c) // until the client closes its direction
		_, _ = c.Write(append([]byte("got "), got...))
	}()

	outer, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer outer.Close()
	go func() { _ = accept(outer, inner.Addr().String()) }()

	c, err := net.Dial("tcp", outer.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(c, "ping"); err != nil {
		t.Fatal(err)
	}
	if err := c.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(c)
	if err != nil || string(answer) != "got ping" {
		t.Errorf("answer %q, error %v; want %q", answer, err, "got ping")
	}
}

func TestListenRefusesAForwardWithoutTarget(t *testing.T) {
	if _, _, err := listen([]string{"127.0.0.1:0"}); err == nil {
		t.Error("no error")
	}
}
