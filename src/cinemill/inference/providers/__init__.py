"""Services that analyze videos elsewhere: Amazon Rekognition Video and NVIDIA's vision models.

The only place that imports boto3. Every service is called for one request at a time; who waits for
a result is the caller's business.
"""
