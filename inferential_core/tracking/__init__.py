"""What the server learns of clients and models while it runs. Pure; time is passed in."""
