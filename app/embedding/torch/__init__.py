"""The model on torch: packed passes, adapters, and the OpenVINO pass beside them."""
