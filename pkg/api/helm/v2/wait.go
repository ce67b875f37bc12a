package v2

// WaitStrategyName names a way to find out whether objects are ready.
type WaitStrategyName string

// Values of [WaitStrategy.Name].
const (
	WaitPoller WaitStrategyName = "poller"
	WaitLegacy WaitStrategyName = "legacy"
)

// WaitStrategy says how to find out whether objects are ready.
type WaitStrategy struct {
	// Name of the strategy: poller applies the health rules of Kustomizations,
	// healthCheckExprs included, and gives up as soon as an object has failed;
	// legacy applies the rules of Helm 3. Without a strategy, poller is used.
	// +kubebuilder:validation:Enum=poller;legacy
	// +required
	Name WaitStrategyName `json:"name"`
}

// GetWaitStrategy returns the name of the strategy, "" where spec has none.
func (h *HelmRelease) GetWaitStrategy() WaitStrategyName {
	return deref(h.Spec.WaitStrategy).Name
}
