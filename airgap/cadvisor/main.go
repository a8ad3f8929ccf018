// Command cadvisor serves what the official command of google/cadvisor serves and this project uses, over the same
// library: /metrics, /healthz, /api/v1.3 and a page at /. The module of the official command is in no module proxy.
package main

import (
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/google/cadvisor/lib/cache/memory"
	"github.com/google/cadvisor/lib/container"
	"github.com/google/cadvisor/lib/manager"
	"github.com/google/cadvisor/lib/metrics"
	"github.com/google/cadvisor/lib/utils/sysfs"
	"github.com/google/cadvisor/lib/version"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"k8s.io/klog/v2"
	"k8s.io/utils/clock"

	_ "github.com/google/cadvisor/container/docker/install"
	_ "github.com/google/cadvisor/lib/container/containerd/install"
	_ "github.com/google/cadvisor/lib/container/systemd/install"
	_ "github.com/google/cadvisor/lib/fs/btrfs/install"
	_ "github.com/google/cadvisor/lib/fs/nfs/install"
	_ "github.com/google/cadvisor/lib/fs/overlay/install"
	_ "github.com/google/cadvisor/lib/fs/tmpfs/install"
	_ "github.com/google/cadvisor/lib/fs/vfs/install"
	_ "github.com/google/cadvisor/lib/fs/zfs/install"
)

// The flags, their defaults and their meaning are those of the official command.
var (
	listenIP          = flag.String("listen_ip", "", "IP to listen on, defaults to all IPs")
	port              = flag.Int("port", 8080, "port to listen")
	maxProcs          = flag.Int("max_procs", 0, "max number of CPUs that can be used simultaneously, less than 1 for all")
	showVersion       = flag.Bool("version", false, "print cAdvisor version and exit")
	storageDuration   = flag.Duration("storage_duration", 2*time.Minute, "how long to keep samples in memory")
	storeLabels       = flag.Bool("store_container_labels", true, "convert container labels and environment variables into labels of metrics")
	whitelistedLabels = flag.String("whitelisted_container_labels", "", "comma separated list of container labels to convert, with store_container_labels=false")
	envWhitelist      = flag.String("env_metadata_whitelist", "", "comma separated list of prefixes of environment variables to convert")
	rawPrefixes       = flag.String("raw_cgroup_prefix_whitelist", "", "comma separated list of cgroup prefixes to collect even with docker_only")

	enabled  = container.MetricSet{}
	disabled = container.MetricSet{
		container.MemoryNumaMetrics:              struct{}{},
		container.NetworkTcpUsageMetrics:         struct{}{},
		container.NetworkUdpUsageMetrics:         struct{}{},
		container.NetworkAdvancedTcpUsageMetrics: struct{}{},
		container.ProcessSchedulerMetrics:        struct{}{},
		container.ProcessMetrics:                 struct{}{},
		container.HugetlbUsageMetrics:            struct{}{},
		container.ReferencedMemoryMetrics:        struct{}{},
		container.CPUTopologyMetrics:             struct{}{},
		container.ResctrlMetrics:                 struct{}{},
		container.CPUSetMetrics:                  struct{}{},
	}
)

func main() {
	flag.Var(&disabled, "disable_metrics", "comma separated list of metrics to disable")
	flag.Var(&enabled, "enable_metrics", "comma separated list of metrics to enable; overrides disable_metrics")
	klog.InitFlags(nil)
	_ = flag.Set("v", "2")
	flag.Parse()
	if *showVersion {
		fmt.Printf("cAdvisor version %s (%s)\n", version.Info["version"], version.Info["revision"])
		return
	}

	if *maxProcs < 1 {
		*maxProcs = runtime.NumCPU()
	}
	runtime.GOMAXPROCS(*maxProcs)

	included := container.AllMetrics.Difference(disabled)
	if len(enabled) > 0 {
		included = enabled
	}
	containers, err := manager.New(memory.New(*storageDuration, nil), sysfs.NewRealSysFs(), manager.HousekeepingConfigFlags,
		included, strings.Split(*rawPrefixes, ","), strings.Split(*envWhitelist, ","), "", 0)
	if err != nil {
		klog.Fatalf("Failed to create a manager: %s", err)
	}
	watched := countOOMs(containers)
	if err := watched.Start(); err != nil {
		klog.Fatalf("Failed to start manager: %v", err)
	}
	go stopOnSignal(watched)

	http.Handle("/metrics", metricsHandler(watched, included))
	http.HandleFunc("/healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "ok") })
	http.Handle("/api/v1.3/", http.StripPrefix("/api/v1.3", apiHandler(watched)))
	http.Handle("/containers/", pageHandler(watched))
	http.Handle("/", http.RedirectHandler("/containers/", http.StatusTemporaryRedirect))
	klog.V(1).Infof("Starting cAdvisor version: %s-%s on port %d", version.Info["version"], version.Info["revision"], *port)
	klog.Fatal(http.ListenAndServe(fmt.Sprintf("%s:%d", *listenIP, *port), nil))
}

// metricsHandler serves a sample of every container, and cAdvisor's own process. With the parameter max_age, a sample that is
// older is measured again, for this request. Source: google/cadvisor, cmd/internal/http/handlers.go.
func metricsHandler(containers manager.Manager, included container.MetricSet) http.Handler {
	labels := metrics.DefaultContainerLabels
	if !*storeLabels {
		labels = metrics.BaseContainerLabels(strings.Split(*whitelistedLabels, ","))
	}
	shared := []prometheus.Collector{
		metrics.NewPrometheusMachineCollector(containers, included),
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		options := lastSampleOfAll
		var err error
		if options.MaxAge, err = maxAge(r); err != nil {
			http.Error(w, "No metrics gathered, last error:\n\n"+err.Error(), http.StatusInternalServerError)
			return
		}
		registry := prometheus.NewRegistry()
		registry.MustRegister(shared...)
		registry.MustRegister(metrics.NewPrometheusCollector(containers, labels, included, clock.RealClock{}, options))
		promhttp.HandlerFor(registry, promhttp.HandlerOpts{ErrorHandling: promhttp.ContinueOnError}).ServeHTTP(w, r)
	})
}

// maxAge is the parameter max_age, or nil without one. Source: google/cadvisor, cmd/internal/api/versions.go, GetRequestOptions.
func maxAge(r *http.Request) (*time.Duration, error) {
	text := r.URL.Query().Get("max_age")
	if text == "" {
		return nil, nil
	}
	age, err := time.ParseDuration(text)
	if err != nil {
		return nil, fmt.Errorf("failed to parse 'max_age' option: %v", err)
	}
	return &age, nil
}

func stopOnSignal(containers manager.Manager) {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	received := <-signals
	if err := containers.Stop(); err != nil {
		klog.Errorf("Failed to stop container manager: %v", err)
	}
	klog.Infof("Exiting given signal: %v", received)
	os.Exit(0)
}
