"""Measure TensorFlow Lite (LiteRT) models on Android phones over adb."""

__version__ = "0.1.0"
