"""What ``flask pooled doctor`` looks at."""
