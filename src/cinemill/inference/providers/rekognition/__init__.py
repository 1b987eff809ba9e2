"""Amazon Rekognition Video: labels, segments, faces, text and moderation of a video in S3.

Person tracking is not here: Amazon ended it on 31 October 2025. Requests follow the service model
that botocore carries.
"""
