"""Image classifiers that are trained on mixtures, and what they are worth.

- `classifier`: a `keras.Model` whose step is that of a method.
- `methods`: plain, Mixup, CutMix, SRMix, AdaptiveMix.
- `attacks`, `subspaces`, `outliers`, `detection`, `scoring`: accuracy,
  calibration, robustness and the detection of foreign images.
- `building`, `running`: from a recipe to a run in a folder.

`python -m keras_ganmix.classify` is the command.
"""
