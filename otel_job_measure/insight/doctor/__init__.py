"""What `doctor` looks at: each area in a file, which yields findings and changes nothing."""
