"""A NumPy oracle for the Keras layers Conv1D, Conv2D, MaxPooling1D, MaxPooling2D, Flatten, Input."""
