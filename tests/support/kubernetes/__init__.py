"""A Kubernetes control plane, and the manifests that kustomize builds."""
