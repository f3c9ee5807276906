"""Exchange with other libraries, arrays in and arrays out; imported on demand."""
