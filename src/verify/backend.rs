//! What a backend is: a stimulus goes in, counts or a trace come out, and plain data crosses the line.
