package main

import (
	"sync"

	"github.com/google/cadvisor/lib/manager"
	"github.com/google/cadvisor/lib/model"
	"github.com/google/cadvisor/utils/oomparser"
	"k8s.io/klog/v2"
)

// lastSampleOfAll asks for one sample of every container below the root.
var lastSampleOfAll = model.RequestOptions{IdType: model.TypeName, Count: 1, Recursive: true}

// oomCounter adds to a manager what the library leaves out: how often the kernel killed in each container for memory.
type oomCounter struct {
	manager.Manager
	mutex  sync.Mutex
	counts map[string]uint64
}

// countOOMs follows the kernel's log. Where it can't be read, the counts stay 0, as in the official command.
func countOOMs(containers manager.Manager) *oomCounter {
	counter := &oomCounter{Manager: containers, counts: map[string]uint64{}}
	kernelLog, err := oomparser.New()
	if err != nil {
		klog.Warningf("Could not configure a source for OOM detection: %v", err)
		return counter
	}
	kills := make(chan *oomparser.OomInstance, 10)
	go kernelLog.StreamOoms(kills)
	go func() {
		for kill := range kills {
			counter.mutex.Lock()
			counter.counts[kill.ContainerName]++
			counter.mutex.Unlock()
		}
	}()
	return counter
}

func (c *oomCounter) GetRequestedContainersInfo(name string, options model.RequestOptions) (map[string]*model.ContainerInfo, error) {
	infos, err := c.Manager.GetRequestedContainersInfo(name, options)
	c.mutex.Lock()
	defer c.mutex.Unlock()
	for _, info := range infos {
		for _, stats := range info.Stats {
			stats.OOMEvents = c.counts[info.Name]
		}
	}
	return infos, err
}
