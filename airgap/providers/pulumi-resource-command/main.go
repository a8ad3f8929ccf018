// The provider `command`, as far as this project uses it: the resource command:local:Command of version 1.2.1. The official
// plugin's Go module is not on the Go module proxy.
package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/blang/semver"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	"github.com/pulumi/pulumi/sdk/v3/go/common/util/cmdutil"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi/provider"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
)

const (
	version     = "1.2.1"
	commandType = "command:local:Command"
)

var inputNames = []resource.PropertyKey{
	"create", "update", "delete", "stdin", "environment", "dir", "interpreter", "logging", "triggers",
}

func main() {
	running, stop := context.WithCancel(context.Background())
	err := provider.Main("command", func(engine *provider.HostClient) (pulumirpc.ResourceProviderServer, error) {
		return plugin.NewProviderServer(&commandProvider{engine: engine, running: running, stop: stop}), nil
	})
	stop() // The engine is gone, so nobody waits for the commands.
	if err != nil {
		cmdutil.ExitError(err.Error())
	}
}

type commandProvider struct {
	plugin.UnimplementedProvider
	engine  *provider.HostClient
	running context.Context // The context of the commands.
	stop    context.CancelFunc
}

func unsupported(thing string) string {
	return fmt.Sprintf("the airgap plugin does not implement %s, only %s with the inputs %v; "+
		"use the official plugin, or add it in airgap/providers/command", thing, commandType, inputNames)
}

func (p *commandProvider) GetPluginInfo(context.Context) (plugin.PluginInfo, error) {
	parsed := semver.MustParse(version)
	return plugin.PluginInfo{Version: &parsed}, nil
}

func (p *commandProvider) GetSchema(context.Context, plugin.GetSchemaRequest) (plugin.GetSchemaResponse, error) {
	return plugin.GetSchemaResponse{Schema: []byte(`{"name":"command","version":"` + version + `"}`)}, nil
}

// CheckConfig refuses every configuration. Keys that start with two underscores are in states that the official plugin wrote.
func (p *commandProvider) CheckConfig(
	_ context.Context, req plugin.CheckConfigRequest,
) (plugin.CheckConfigResponse, error) {
	res := plugin.CheckConfigResponse{Properties: req.News}
	for key := range req.News {
		if key != "version" && !strings.HasPrefix(string(key), "__") {
			res.Failures = append(res.Failures, plugin.CheckFailure{
				Property: key, Reason: unsupported(fmt.Sprintf("the configuration %q", key)),
			})
		}
	}
	return res, nil
}

func (p *commandProvider) DiffConfig(context.Context, plugin.DiffConfigRequest) (plugin.DiffConfigResponse, error) {
	return plugin.DiffConfigResponse{Changes: plugin.DiffNone}, nil
}

func (p *commandProvider) Configure(context.Context, plugin.ConfigureRequest) (plugin.ConfigureResponse, error) {
	return plugin.ConfigureResponse{}, nil
}

func (p *commandProvider) Invoke(_ context.Context, req plugin.InvokeRequest) (plugin.InvokeResponse, error) {
	return plugin.InvokeResponse{}, fmt.Errorf("%s", unsupported("the function "+string(req.Tok)))
}

func (p *commandProvider) Check(_ context.Context, req plugin.CheckRequest) (plugin.CheckResponse, error) {
	res := plugin.CheckResponse{Properties: req.News}
	fail := func(key resource.PropertyKey, reason string) {
		res.Failures = append(res.Failures, plugin.CheckFailure{Property: key, Reason: reason})
	}
	if req.Type != commandType {
		fail("", unsupported("the resource "+string(req.Type)))
		return res, nil
	}
	for key, value := range req.News {
		if !slices.Contains(inputNames, key) {
			fail(key, unsupported(fmt.Sprintf("the input %q", key)))
		} else if value.ContainsUnknowns() {
			continue
		} else if in, err := read(resource.PropertyMap{key: value}); err != nil {
			fail(key, err.Error())
		} else if !slices.Contains([]string{"", "stdout", "stderr", "stdoutAndStderr", "none"}, in.Logging) {
			fail(key, fmt.Sprintf("%q is not one of stdout, stderr, stdoutAndStderr, none", in.Logging))
		}
	}
	return res, nil
}

// Diff compares inputs alone, since a command has nothing that could drift. Changed triggers replace it.
func (p *commandProvider) Diff(_ context.Context, req plugin.DiffRequest) (plugin.DiffResponse, error) {
	changed := req.OldInputs.Diff(req.NewInputs)
	if changed == nil {
		return plugin.DiffResponse{Changes: plugin.DiffNone}, nil
	}
	res := plugin.DiffResponse{
		Changes:      plugin.DiffSome,
		ChangedKeys:  changed.ChangedKeys(),
		DetailedDiff: plugin.NewDetailedDiffFromObjectDiff(changed, true),
	}
	for path, change := range res.DetailedDiff {
		if strings.HasPrefix(path, "triggers") {
			res.DetailedDiff[path] = change.ToReplace()
			res.ReplaceKeys = []resource.PropertyKey{"triggers"}
		}
	}
	return res, nil
}

func (p *commandProvider) Create(_ context.Context, req plugin.CreateRequest) (plugin.CreateResponse, error) {
	id, err := resource.NewUniqueHexID(req.URN.Name(), 8, 0)
	if err != nil || req.Preview {
		return plugin.CreateResponse{ID: id, Properties: preview(req.Properties)}, err
	}
	in, err := read(req.Properties)
	if err != nil {
		return plugin.CreateResponse{}, err
	}
	out, err := p.run(req.URN, in.Create, in)
	return plugin.CreateResponse{ID: id, Properties: state(req.Properties, out)}, err
}

// Read returns the state as it is. Without one, there is nothing that could be imported.
func (p *commandProvider) Read(_ context.Context, req plugin.ReadRequest) (plugin.ReadResponse, error) {
	return plugin.ReadResponse{
		ReadResult: plugin.ReadResult{ID: req.ID, Inputs: req.Inputs, Outputs: req.State},
	}, nil
}

func (p *commandProvider) Update(_ context.Context, req plugin.UpdateRequest) (plugin.UpdateResponse, error) {
	if req.Preview {
		return plugin.UpdateResponse{Properties: preview(req.NewInputs)}, nil
	}
	in, err := read(req.NewInputs)
	if err != nil {
		return plugin.UpdateResponse{}, err
	}
	before, err := read(req.OldOutputs)
	if err != nil {
		return plugin.UpdateResponse{}, err
	}
	in.output = before.output
	line := in.Update
	if line == nil {
		line = in.Create
	}
	out, err := p.run(req.URN, line, in)
	return plugin.UpdateResponse{Properties: state(req.NewInputs, out)}, err
}

func (p *commandProvider) Delete(_ context.Context, req plugin.DeleteRequest) (plugin.DeleteResponse, error) {
	in, err := read(req.Outputs)
	if err != nil {
		return plugin.DeleteResponse{}, err
	}
	_, err = p.run(req.URN, in.Delete, in)
	return plugin.DeleteResponse{}, err
}

// SignalCancellation kills the commands, when the user interrupts an update.
func (p *commandProvider) SignalCancellation(context.Context) error {
	p.stop()
	return nil
}

func (p *commandProvider) Close() error { return nil }
