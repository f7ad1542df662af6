// Command holder holds a local cluster: one process tree in network, mount, pid and cgroup namespaces of its own, that
// ends whole when the holder ends, by kill -9 too.
//
//	holder hold -pid FILE -forward "LISTEN=DIAL ..." COMMAND ARG...   outside: start COMMAND as pid 1 in new namespaces
//	holder serve                                                      inside: carry the forwarded ports
//
// There is no link between the two networks. A forwarded port is a socket that listens outside and is inherited by a
// process inside, which accepts from it and dials there. So nothing outside ever dials an address of the cluster.
// The holder does not look after the cluster's health and starts nothing again.
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

// forwardsEnv tells `serve` where to dial, one address per inherited socket; the sockets begin at descriptor 3.
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
	pidFile := flags.String("pid", "", "file that gets the process id of COMMAND, as seen outside")
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
	// The kernel sends Pdeathsig when the thread ends that started the child, not only when the process does.
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

// listen opens the outer end of each port and returns it with the address to dial inside.
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
