// Command holder runs a local cluster as one process tree in new network, mount, pid and cgroup namespaces. When the
// holder ends, even by kill -9, the kernel ends the whole tree.
//
//	holder hold -pid FILE -forward "LISTEN=DIAL ..." COMMAND ARG...   outside: start COMMAND as pid 1 in new namespaces
//	holder serve                                                      inside: forward the ports
//
// The two networks are not connected. A forwarded port is a socket that listens outside. A process inside inherits it,
// accepts its connections and dials inside. So no process outside uses an address of the cluster.
// The holder does not check the cluster's health and does not restart it.
package main

import (
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
)

// forwardsEnv has the addresses that `serve` dials, one for each inherited socket. The first socket is descriptor 3.
const (
	forwardsEnv = "HOLDER_FORWARDS"
	firstSocket = 3
)

func main() {
	err := errors.New("usage: holder hold|serve")
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case "hold":
			err = hold(os.Args[2:])
		case "serve":
			err = serve(strings.Fields(os.Getenv(forwardsEnv)))
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "holder:", err)
		os.Exit(1)
	}
}

func hold(args []string) error {
	flags := flag.NewFlagSet("hold", flag.ExitOnError)
	pidFile := flags.String("pid", "", "file to write the process id of COMMAND to, as seen outside")
	forward := flags.String("forward", "", "ports, each LISTEN=DIAL, separated by spaces")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() == 0 {
		return errors.New("no command")
	}

	sockets, targets, err := listen(strings.Fields(*forward))
	if err != nil {
		return err
	}
	cmd := exec.Command(flags.Arg(0), flags.Args()[1:]...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.ExtraFiles = sockets
	cmd.Env = append(os.Environ(), forwardsEnv+"="+strings.Join(targets, " "))
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWNS | syscall.CLONE_NEWPID | syscall.CLONE_NEWCGROUP,
		Pdeathsig:  syscall.SIGKILL,
	}
	// The kernel sends Pdeathsig when the thread that started the child ends, not only when the process ends.
	runtime.LockOSThread()
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start %s in new namespaces: %w", flags.Arg(0), err)
	}
	for _, s := range sockets {
		s.Close()
	}
	if err := os.WriteFile(*pidFile, fmt.Appendln(nil, cmd.Process.Pid), 0o644); err != nil {
		return errors.Join(err, cmd.Process.Kill())
	}
	return cmd.Wait()
}

// listen opens the outer socket of each port and returns it with the address to dial inside.
func listen(forwards []string) (sockets []*os.File, targets []string, err error) {
	for _, f := range forwards {
		address, target, ok := strings.Cut(f, "=")
		if !ok {
			return nil, nil, fmt.Errorf("forward %q is not LISTEN=DIAL", f)
		}
		l, err := net.Listen("tcp", address)
		if err != nil {
			return nil, nil, err
		}
		socket, err := l.(*net.TCPListener).File()
		if err != nil {
			return nil, nil, err
		}
		l.Close() // the file is a copy
		sockets, targets = append(sockets, socket), append(targets, target)
	}
	return sockets, targets, nil
}
