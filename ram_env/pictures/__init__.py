"""What do the pictures of a user hold: files of any kind and size, in folders that are classes?"""
