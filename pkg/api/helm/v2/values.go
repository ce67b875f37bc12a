package v2

// DefaultValuesKey is the entry that values are read from by default.
const DefaultValuesKey = "values.yaml"

// ValuesReference names an object that holds values.
type ValuesReference struct {
	// Kind of the object: Secret or ConfigMap.
	// +kubebuilder:validation:Enum=Secret;ConfigMap
	// +required
	Kind string `json:"kind"`

	// Name of the object, which must be in the namespace of this one.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +required
	Name string `json:"name"`

	// ValuesKey is the entry to read. Default values.yaml.
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[\-._a-zA-Z0-9]+$`
	// +optional
	ValuesKey string `json:"valuesKey,omitempty"`

	// TargetPath sets a single value, in the dotted notation of helm --set, to
	// the text of the entry. Left out, the entry is a YAML file of values.
	// +kubebuilder:validation:MaxLength=250
	// +kubebuilder:validation:Pattern=`^([a-zA-Z0-9_\-.\\\/]|\[[0-9]{1,5}\])+$`
	// +optional
	TargetPath string `json:"targetPath,omitempty"`

	// Optional skips the object or the entry if it does not exist, instead of
	// failing.
	// +optional
	Optional bool `json:"optional,omitempty"`

	// Literal keeps the text of the entry as a string, whatever commas, braces or
	// digits it holds. Has no effect without targetPath.
	// +optional
	Literal bool `json:"literal,omitempty"`
}

// GetValuesKey returns the entry to read.
func (r ValuesReference) GetValuesKey() string { return or(r.ValuesKey, DefaultValuesKey) }
