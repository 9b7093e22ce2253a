"""Fashion-MNIST pictures that come with the package; see PROVENANCE.md."""
