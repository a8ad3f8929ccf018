package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"io"
	"net/http"
	"path"
	"sort"
	"strings"
	"time"

	v1 "github.com/google/cadvisor/info/v1"
	"github.com/google/cadvisor/lib/manager"
	"github.com/google/cadvisor/lib/model"
)

// apiHandler serves the requests machine, containers, subcontainers and docker of the API's version 1.3.
func apiHandler(containers manager.Manager) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		result, err := apiResult(containers, r)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(result)
	})
}

func apiResult(containers manager.Manager, r *http.Request) (any, error) {
	kind, rest, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	query := v1.DefaultContainerInfoRequest()
	if err := json.NewDecoder(r.Body).Decode(&query); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("unable to decode the json value: %w", err)
	}
	switch kind {
	case "machine":
		return containers.GetMachineInfo()
	case "containers":
		return containers.GetContainerInfo(path.Join("/", rest), &query)
	case "subcontainers":
		return containers.SubcontainersInfo(path.Join("/", rest), &query)
	case "docker":
		if rest == "" {
			return containers.AllDockerContainers(&query)
		}
		info, err := containers.DockerContainer(rest, &query)
		return map[string]any{info.Name: info}, err
	}
	return nil, fmt.Errorf("unknown request type %q", kind)
}

type row struct {
	Name, Image, Memory, Started string
	CPU                          float64
}

// pageHandler serves a table of the containers with their use of CPU and memory, renewed every ten seconds.
func pageHandler(containers manager.Manager) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		options := lastSampleOfAll
		options.Count = 2
		infos, err := containers.GetRequestedContainersInfo("/", options)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		rows := []row{}
		for _, info := range infos {
			if len(info.Aliases) > 0 && len(info.Stats) > 0 {
				rows = append(rows, newRow(info))
			}
		}
		sort.Slice(rows, func(i, j int) bool { return rows[i].Name < rows[j].Name })
		_ = page.Execute(w, rows)
	})
}

func newRow(info *model.ContainerInfo) row {
	first, last := info.Stats[0], info.Stats[len(info.Stats)-1]
	result := row{Name: info.Aliases[0], Image: info.Spec.Image, Started: info.Spec.CreationTime.Format(time.DateTime)}
	if last.Memory != nil {
		result.Memory = fmt.Sprintf("%.1f MiB", float64(last.Memory.WorkingSet)/(1<<20))
	}
	if seconds := last.Timestamp.Sub(first.Timestamp).Seconds(); seconds > 0 && first.Cpu != nil && last.Cpu != nil {
		result.CPU = float64(last.Cpu.Usage.Total-first.Cpu.Usage.Total) / 1e9 / seconds
	}
	return result
}

var page = template.Must(template.New("page").Parse(`<!doctype html>
<html lang="en"><meta charset="utf-8"><meta http-equiv="refresh" content="10"><title>cAdvisor</title>
<style>body{font:15px system-ui;margin:2rem}td,th{padding:.3rem 1rem;text-align:left}tr:nth-child(even){background:#f3f4f6}</style>
<h1>Docker Containers</h1>
<table><tr><th>Name<th>Image<th>CPU, cores<th>Working set<th>Started</tr>
{{range .}}<tr><td>{{.Name}}<td>{{.Image}}<td>{{printf "%.3f" .CPU}}<td>{{.Memory}}<td>{{.Started}}</tr>
{{end}}</table></html>
`))
