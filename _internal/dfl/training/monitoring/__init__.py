"""What is recorded of a training and what watches it: console, history, TensorBoard, validation, early stopping."""
