"""What do a million packets say?"""
