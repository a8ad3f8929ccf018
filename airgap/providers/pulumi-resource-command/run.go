package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"

	"github.com/pulumi/pulumi/sdk/v3/go/common/diag"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
)

// properties are the inputs and outputs of a command.
type properties struct {
	Create, Update, Delete *string
	Stdin                  string
	Environment            map[string]string
	Dir                    string
	Interpreter            []string
	Logging                string
	Triggers               []any
	output
}

// output is what the command wrote, without the last line break.
type output struct{ Stdout, Stderr string }

// read decodes properties, secret or not.
func read(values resource.PropertyMap) (properties, error) {
	var reveal func(resource.PropertyValue) (any, bool)
	reveal = func(value resource.PropertyValue) (any, bool) {
		if !value.IsSecret() {
			return nil, false
		}
		return value.SecretValue().Element.MapRepl(nil, reveal), true
	}
	var decoded properties
	text, err := json.Marshal(values.MapRepl(nil, reveal))
	if err != nil {
		return decoded, err
	}
	return decoded, json.Unmarshal(text, &decoded)
}

// state adds outputs to inputs. Where an input is secret, the outputs are, because the command may write it.
func state(inputs resource.PropertyMap, out output) resource.PropertyMap {
	stdout, stderr := resource.NewProperty(out.Stdout), resource.NewProperty(out.Stderr)
	if inputs.ContainsSecrets() {
		stdout, stderr = resource.MakeSecret(stdout), resource.MakeSecret(stderr)
	}
	all := inputs.Copy()
	all["stdout"], all["stderr"] = stdout, stderr
	return all
}

// preview adds outputs that are not known yet to inputs.
func preview(inputs resource.PropertyMap) resource.PropertyMap {
	all := inputs.Copy()
	all["stdout"] = resource.MakeComputed(resource.NewProperty(""))
	all["stderr"] = resource.MakeComputed(resource.NewProperty(""))
	return all
}

// run runs a command line, with the output of the one before it in its environment. Without a line, the output stays.
func (p *commandProvider) run(urn resource.URN, line *string, in properties) (output, error) {
	if line == nil {
		return in.output, nil
	}
	words := append(in.Interpreter, *line)
	if len(in.Interpreter) == 0 {
		words = []string{"/bin/sh", "-c", *line}
	}
	cmd := exec.CommandContext(p.running, words[0], words[1:]...)
	if in.Dir != "" {
		// With attributes set, Go does not say that it is the folder that is missing.
		if err := syscall.Access(in.Dir, 0); err != nil {
			return output{}, fmt.Errorf("%w: running %q:\n", &os.PathError{Op: "chdir", Path: in.Dir, Err: err}, *line)
		}
	}
	// A process group of its own, so that what the command started ends with it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.Dir = in.Dir
	cmd.Stdin = strings.NewReader(in.Stdin)
	cmd.Env = os.Environ()
	for name, value := range in.Environment {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	for name, value := range map[string]string{"STDOUT": in.Stdout, "STDERR": in.Stderr} {
		if value != "" {
			cmd.Env = append(cmd.Env, "PULUMI_COMMAND_"+name+"="+value)
		}
	}

	var both recorder
	show := func(line string) { _ = p.engine.LogStatus(context.Background(), diag.Info, urn, line) }
	stdout, stderr := &stream{both: &both}, &stream{both: &both}
	if in.Logging != "stderr" && in.Logging != "none" {
		stdout.show = show
	}
	if in.Logging != "stdout" && in.Logging != "none" {
		stderr.show = show
	}
	cmd.Stdout, cmd.Stderr = stdout, stderr
	err := cmd.Run()
	stdout.flush()
	stderr.flush()
	if err != nil {
		return output{}, fmt.Errorf("%w: running %q:\n%s", err, *line, both.text.String())
	}
	return output{stdout.result(), stderr.result()}, nil
}

// recorder records both streams of a command in the order in which they are read.
type recorder struct {
	mutex sync.Mutex
	text  bytes.Buffer
}

// stream records what a command writes to one of its streams, and shows each line.
type stream struct {
	both  *recorder
	text  bytes.Buffer
	shown int               // How much of the text was shown.
	show  func(line string) // Nil when nothing is shown.
}

func (s *stream) Write(part []byte) (int, error) {
	s.both.mutex.Lock()
	s.both.text.Write(part)
	s.both.mutex.Unlock()
	s.text.Write(part)
	for s.show != nil {
		line, _, complete := strings.Cut(string(s.text.Bytes()[s.shown:]), "\n")
		if !complete {
			break
		}
		s.shown += len(line) + 1
		s.show(line)
	}
	return len(part), nil
}

// flush shows the last line, where it has no line break.
func (s *stream) flush() {
	if rest := s.text.Bytes()[s.shown:]; s.show != nil && len(rest) > 0 {
		s.show(string(rest))
	}
}

func (s *stream) result() string {
	return strings.ToValidUTF8(strings.TrimSuffix(s.text.String(), "\n"), "\uFFFD")
}
