"""Exchange with other libraries, arrays in and arrays out; imported when it is asked for."""
