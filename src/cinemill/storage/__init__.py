"""Rows and files, behind doors that a managed server or object storage can stand behind too."""
