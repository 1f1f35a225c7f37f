"""What tests share: naive references, gradients on every backend, and the layer contract."""
