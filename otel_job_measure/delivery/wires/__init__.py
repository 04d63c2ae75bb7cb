"""What carries requests. Each module here imports libraries; only `libraries.load` imports these modules."""
