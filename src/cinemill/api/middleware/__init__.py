"""What every request passes: access log, authentication, security headers, problems."""
