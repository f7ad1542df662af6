// Command benchmark compares Dispatcher with clients that write the same objects to the same API server by themselves.
// It starts a control plane and the real manager, lets the contenders work in turns, so that noise hits all alike, and
// prints a table of medians and of their ratios to the raw client. It writes that table into docs/performance.md.
//
// It must not judge what is correct: that is what the suites are for.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
)

// settings are the values of the flags.
type settings struct {
	root, doc string
	callers   []int
	rounds    int
	turn      time.Duration
	profiles  string
	held      int
	inert     bool
	manager   []string
}

func main() {
	s := settings{}
	callers := flag.String(
		"callers", "0,1,8,32,128", "The numbers of callers, with a part of the table for each. 0 is one caller who pauses.",
	)
	flag.StringVar(&s.root, "root", ".", "The root of the repository.")
	flag.StringVar(&s.doc, "doc", "", "The file with the markers between which the table is written.")
	flag.IntVar(&s.rounds, "rounds", 5, "The number of turns of each contender for each number of callers.")
	flag.DurationVar(&s.turn, "turn", 5*time.Second, "The time in which a turn starts new executions.")
	flag.IntVar(&s.held, "held", 0, "Instead, compare the manager with this number of finished executions and without.")
	flag.BoolVar(&s.inert, "inert-jobs", false, "Do not run the Job controller, so that Jobs are only stored.")
	flag.StringVar(&s.profiles, "profiles", "", "The folder for CPU and memory profiles of the manager.")
	flag.Parse()
	s.manager = flag.Args()
	log.SetLogger(zap.New(zap.WriteTo(os.Stderr)))

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := s.run(ctx, *callers); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func (s settings) run(ctx context.Context, callers string) (err error) {
	for text := range strings.SplitSeq(callers, ",") {
		count, err := strconv.Atoi(text)
		if err != nil || count < 0 {
			return fmt.Errorf("-callers: %q is not a number of callers", text)
		}
		s.callers = append(s.callers, count)
	}
	b, err := newBench(ctx, s)
	if b != nil {
		defer b.close()
	}
	if err != nil {
		return err
	}
	section, measure := "table", b.measureTable
	if s.held > 0 {
		section, measure = "held", b.measureHeld
	}
	text, err := measure(ctx)
	if err != nil {
		return err
	}
	fmt.Print("\n", text)
	if s.doc == "" {
		return nil
	}
	return replaceSection(s.doc, section, text)
}

// progress tells whoever waits what goes on.
func progress(format string, args ...any) {
	fmt.Fprintf(os.Stderr, time.Now().Format("15:04:05 ")+format+"\n", args...)
}
