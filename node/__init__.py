"""What runs on the instances: identity, head guard, worker, watchdog. Imports no other
package of this project.
"""
