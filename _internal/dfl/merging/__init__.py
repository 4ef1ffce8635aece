"""Merging: blend the swapped face into every frame of data_dst.

The steps of a frame. Each takes the result of the one before; faces are always in the order of the frame's task.

    plan     FrameTask       a frame of the clip, with a FaceTask (landmarks, model, settings) for each face to swap
      |                      planning/: clip_faces, check_clip, clip_tracks, person_assignment, merge_plan
    crop     CroppedFrame    the picture that was read, and a FaceCrop for each face: the model's input
      |                      blending/face_crop
    predict  PredictedFrame  a FacePrediction (face, masks) and FaceMeasures (chosen mask, light, colours) for each face
      |                      running/networks on batches over frames; blending/face_measures
    blend    MergedFrame     measures smoothed over neighbouring frames, a FacePatch for each face, laid over the frame
      |                      blending/temporal_smoothing, face_blender, merged_frame
    write    FrameResult     files (running/output) or a video (running/to_video), or the error that stopped the frame

`running/frame_processor.FrameProcessor` has a method for each step, `running/pipeline.merge_frames` runs them on many
frames at once. Where the original computes differently is in blending/original_rules.
"""
